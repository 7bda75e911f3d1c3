from .model import SectorAutoencoder as SectorAutoencoder
from .model import SectorTransceiver as SectorTransceiver
from .training import SectorPlan as SectorPlan
from .training import train_sector_autoencoder as train_sector_autoencoder
from .training import two_step_loss as two_step_loss
