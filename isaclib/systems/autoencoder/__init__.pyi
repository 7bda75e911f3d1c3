from .model import SEQUENTIAL as SEQUENTIAL
from .model import Autoencoder as Autoencoder
from .model import StageName as StageName
from .training import AutoencoderTraining as AutoencoderTraining
from .training import TrainingPlan as TrainingPlan
from .training import stage_loss as stage_loss
from .training import train_autoencoder as train_autoencoder
