from .model import ModelDriven as ModelDriven
from .model import ModelDrivenTransceiver as ModelDrivenTransceiver
from .model import seeded_model_driven as seeded_model_driven
from .training import ModelDrivenPlan as ModelDrivenPlan
from .training import sensing_loss as sensing_loss
from .training import train_model_driven as train_model_driven
