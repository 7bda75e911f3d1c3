from .agreement import within as within
from .claims import evaluate as evaluate
from .claims import markdown_table as markdown_table
from .engine.results import load_result as load_result
from .engine.results import results_directory as results_directory
from .registry import figure as figure
from .registry import figures as figures
