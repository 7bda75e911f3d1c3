"""What happens on the way, frozen descriptions that ``draw`` realizations.

``narrowband`` has the echo of a target and a receiver's channel (P1, P2); ``ofdm`` the echo in
angle and delay and ``multitap`` the receiver's channel (P3); ``codes`` the channels of a network's
outputs (P4).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
