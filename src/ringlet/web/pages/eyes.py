"""What staff see who look through a customer's eyes: these pages and no others.

A page that is new is not among them. Who adds one makes sure that it changes nothing when it is asked for, shows no key,
factor or session, and that `masked.HIDDEN` names every text and code that it shows; tests/test_admin_impersonate.py asks
for each of them and looks for a message's words.
"""

#: by the pattern of the address
PAGES = frozenset({
    "/", "/find", "/live", "/live/{activation_id}", "/history", "/history/{activation_id}", "/wallet", "/webhooks",
})  # fmt: skip
REFUSED = "You look at the shop through a customer's eyes: nothing can be changed, and keys and security are not shown"
