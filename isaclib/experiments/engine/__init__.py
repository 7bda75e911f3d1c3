"""The machinery of the reproduction: typed tasks, rows with coordinates, declarative panels.

A *task* (:mod:`.tasks`) is a frozen dataclass that says all its outcome depends on, and runs. Its
content is its key in the *cache* (:mod:`.cache`), so whoever needs the same training has the same
task and finds it there. A task may hold other tasks, whose outcomes it asks for when it runs::

    training = TrainSpacings(scenario, array=0, seed=0, stages=(stage,), marks=(100, 8500))
    end = Measure(scenario, 0, 0, assumed=Trained(training, mark=8500), test=Test(100_000))

A *row* (:mod:`.rows`) says where in a figure a task's outcome stands, by coordinates and not by a
name: ``Row({"system": "SL", "array": 0, "iteration": 8500}, end)``. A :class:`.rows.FigureSpec`
makes the rows of a configuration, and those whose trained tensors are published with them. The
*sweep* (:mod:`.sweep`) runs what the cache does not hold, here or on Dask (:mod:`.cluster`).

What comes out is a *table* (:mod:`.tables`), a column a coordinate and a column a quantity, and a
*result* (:mod:`.results`): the table with its configuration and provenance, as JSON with the
tensors beside it, published together. ``result.where(system="SL", array=0)["p_md"].values``. As it
holds the keys of its tasks, it fills the cache of a fresh clone: nothing is trained again whose
weights are stored.

A *panel* (:mod:`.panels`) selects rows by coordinates and says how they look. A *claim*
(:mod:`.claims`) is a function of results, with the paper's statement and the criterion beside it.
"""
