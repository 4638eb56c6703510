"""What letters say. `Letter(subject, body)` is where translators find the texts (pybabel -k Letter:1,2)."""

import msgspec


class Letter(msgspec.Struct, frozen=True):
    """A letter before its names and links are filled in: {name} is the shop, {link} a one-time link."""

    subject: str
    body: str


CONFIRM = Letter(
    "Confirm your e-mail address for {name}",
    "Hello,\n\nThis address was used to sign up at {name}. If it was you, confirm it by this link within 24 hours:\n\n"
    "{link}\n\nIf it was not you, do nothing: without this link the account cannot be used.\n",
)
KNOWN = Letter(
    "You already have an account at {name}",
    "Hello,\n\nSomebody, perhaps you, tried to use this address for a new account at {name}. You already have one.\n"
    "Sign in here:\n\n{sign_in}\n\nIf you have forgotten the password, choose a new one here:\n\n{forgot}\n\n"
    "If it was not you, do nothing: nothing was changed.\n",
)
RESET = Letter(
    "Choose a new password for {name}",
    "Hello,\n\nBy this link you can choose a new password within one hour:\n\n{link}\n\n"
    "If you did not ask for it, do nothing: your password is as it was.\n",
)
PASSWORD_CHANGED = Letter(
    "Your password for {name} was changed",
    "Hello,\n\nThe password of your account was changed, and all other sessions were ended.\n"
    "If it was not you, choose a new one at once:\n\n{forgot}\n",
)
EMAIL_CONFIRM = Letter(
    "Confirm your new e-mail address for {name}",
    "Hello,\n\nBy this link this address becomes the one of your account at {name}, within 24 hours:\n\n{link}\n\n"
    "If you did not ask for it, do nothing.\n",
)
EMAIL_ASKED = Letter(
    "A new e-mail address for your account at {name}",
    "Hello,\n\nSomebody who is signed in to your account asked to change its address to {new_email}. It changes when that\n"
    "address is confirmed. If it was not you, choose a new password at once, which ends every session:\n\n{forgot}\n",
)
EMAIL_CHANGED = Letter(
    "The e-mail address of your account at {name} was changed",
    "Hello,\n\nThe address of your account is now {new_email}. Letters no longer come here.\n",
)
KEY_MADE = Letter(
    "A new API key for your account at {name}",
    'Hello,\n\nThe API key "{key_name}" ({hint}, {mode} mode) was made.\n'
    "If it was not you, revoke it at once and choose a new password:\n\n{keys}\n",
)
FACTOR_ADDED = Letter(
    "A second factor was added to your account at {name}",
    "Hello,\n\nFrom now on signing in asks for more than the password: {factor}.\n"
    "If it was not you, choose a new password at once:\n\n{forgot}\n",
)
FACTOR_REMOVED = Letter(
    "A second factor was removed from your account at {name}",
    "Hello,\n\nThis no longer serves to sign in: {factor}.\n"
    "If it was not you, choose a new password at once:\n\n{forgot}\n",
)
RECOVERY_USED = Letter(
    "A recovery code of your account at {name} was used",
    "Hello,\n\nSomebody signed in with one of your recovery codes; {left} are left.\n"
    "If it was not you, choose a new password at once:\n\n{forgot}\n",
)
LOW_BALANCE = Letter(
    "Your balance at {name} is low",
    "Hello,\n\nYour balance at {name} is {balance} {currency}, below the {mark} {currency} at which you wanted to be told.\n"
    "Add credit here:\n\n{wallet}\n\nYou get at most one such letter a day. On the same page you can change the amount, or end\n"
    "these letters.\n",
)
