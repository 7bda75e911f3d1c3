"""The channels' realizations in double precision, for comparisons with finite differences."""

from dataclasses import replace

from isaclib.channels.narrowband import CommunicationChannel, RadarChannel


class DoubleRadar(RadarChannel):
    """The same targets, gains and noise in double precision."""

    def draw(self, batch, generator, present=None, *, sectors=None):
        r = super().draw(batch, generator, present, sectors=sectors)
        return replace(r, theta=r.theta.double(), gain=r.gain.cdouble(), noise=r.noise.cdouble())


class DoubleCommunication(CommunicationChannel):
    """The same receivers, gains and noise in double precision."""

    def draw(self, batch, generator):
        r = super().draw(batch, generator)
        return replace(r, angle=r.angle.double(), gain=r.gain.cdouble(), noise=r.noise.cdouble())
