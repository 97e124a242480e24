"""Show a model in the architecture view as nested boxes with sizes, costs, source lines and a live model's values.

`controller` carries out the user's actions, `boxes` builds the boxes of a config, `source_lines` finds the code that
computes a box, `values` fetches the values that pass through the box, and `tour` collects the numbers of the guided
tour.
"""

from llmlib.explore.architecture.controller import explore_architecture

__all__ = ["explore_architecture"]
