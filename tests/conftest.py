from hypothesis import settings

# Examples that are the same on every run and machine, however slow the machine is.
settings.register_profile("isaclib", deadline=None, derandomize=True)
settings.load_profile("isaclib")
