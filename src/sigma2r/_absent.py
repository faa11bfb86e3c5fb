"""What is not there at all, told apart from what is there and refused."""


class AbsentError(ValueError):
    """Nothing lies where a name leads: no folder, no file, no module. What lies there and cannot be used is no such."""
