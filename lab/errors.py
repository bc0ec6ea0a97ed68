"""What the lab says when it cannot go on."""


class LabError(Exception):
    """Stop a command of the lab with one sentence for the operator.

    The sentence names the object, what happened, and what to do next.
    """
