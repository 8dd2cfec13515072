"""The one exception that means: the user can mend this, and the message says how."""


class UserError(Exception):
    """A mistake in the user's input or settings.

    The message is one sentence with the value, its name, the rule and the way out; it is shown without a traceback.
    """
