"""Why the plan does what it does: a sentence for each reason code, for people who write mails and not SQL.

`{other}` becomes the Stripe customer id of the other person involved. No sentence ever holds an email.
"""

from typing import Final

#: Why an event is never forwarded: it names no customer, or one who is gone.
SKIPPED: Final = ("event_of_guest", "event_of_unknown_guest", "event_of_nobody", "event_of_deleted_customer")

REASONS: Final[dict[str, str]] = {
    # identify
    "linked_by_email": "New in Stripe. Whoever has this email in Customer.io, a lead perhaps, becomes this customer; "
    "if nobody has it, a person is created.",
    "linked_by_metadata_id": "New in Stripe. The person is found, or created, by the id in the customer's metadata.",
    "identified_by_email": "New in Stripe. The person is found, or created, by email; ids are not used.",
    "identified_without_email": "New in Stripe, and without a usable email: known by the Stripe customer id alone.",
    "owner_replaced": "Customer {other} had this email and is gone from Stripe. Its person in Customer.io now "
    "belongs to this customer and gets its id.",
    "id_changed": "The customer's id changed at its source, so the person gets the new id.",
    # update
    "attributes_changed": "Only the attributes that changed are sent.",
    "deleted_in_stripe": "The customer was deleted in Stripe; identity.on_delete says what happens to the person.",
    "email_changed": "The email changed in Stripe. It is sent alone, so that a refusal loses nothing else; other "
    "changes follow with the next plan.",
    "email_added": "The customer has an email now. It is sent alone; other changes follow with the next plan.",
    "email_removed": "The email was removed in Stripe, so it is removed from the person. Other changes follow with the "
    "next plan.",
    "email_swap": "This person and {other} swap their emails. This one gives its email up first, because two people "
    "cannot have one; the new one follows once that has settled.",
    # merge
    "joined_another_person": "In Stripe this customer now has the same email as {other}: they are one person. In "
    "Customer.io they are two. They are merged only where identity.merge allows it, because a merge cannot be undone.",
    "lead_merged": "Another person in Customer.io, without an id of ours, has this customer's new email. The two are "
    "merged, as identity.merge allows; the new email follows once that has settled.",
    # hold
    "email_in_use": "Person {other} still has this email in Customer.io. This waits until that person gives it up.",
    "email_taken": "Another person in Customer.io has this customer's new email. Merge the two there, or allow "
    "identity.merge; everything else about the person is kept up to date.",
    "email_locked": "This workspace does not let an email be changed by id. Set CUSTOMERIO_APP_API_KEY, so that the "
    "person's internal id can be used, or switch on 'Allow updates to email using ID' in Customer.io.",
    "email_unseen": "Customer.io accepted this email twice, and the person still has the former one. Perhaps the new "
    "one is suppressed there, or something else sets the former one again. Look there, and then stripe-cio retry; "
    "everything else about the person is kept up to date.",
    "email_needs_cio_id": "People are known by email here, and an email can only be changed by Customer.io's internal "
    "id. Set CUSTOMERIO_APP_API_KEY, so that it can be looked up.",
    "email_rejected": "Customer.io turned this email down. The person keeps the former one until it changes in "
    "Stripe, or until stripe-cio retry.",
    "id_refused": "The person with this email already has another id in Customer.io, perhaps from your own app. It is "
    "left alone. Use identity.strategy email or metadata, or clear that id, and then stripe-cio retry.",
    "id_in_use": "Person {other} has the same id. Two customers cannot be one person by id: correct the "
    "metadata in Stripe.",
    "id_needs_cio_id": "The person should get another id, which only Customer.io's internal id allows. Set "
    "CUSTOMERIO_APP_API_KEY. Until then the person is kept up to date under the former id.",
    "no_metadata_id": "The customer has no id in the metadata field that identity.metadata_key names.",
    "value_too_large": "A value is longer than Customer.io takes, and customerio.oversize_value says to send "
    "nothing then.",
    "suppressed": "Somebody with this email or id was suppressed or forgotten. Nothing is sent for them again, whoever "
    "has it now.",
    "link_unseen": "Customer.io accepted this person hours ago and does not show them. Perhaps their email, id or "
    "phone is suppressed there, and what is sent for them is ignored. Nothing more is sent before they are seen; "
    "look there, and then stripe-cio retry.",
    "no_email": "The customer has no usable email, and the policy sends nobody without one.",
    # keep, wait
    "unchanged": "Customer.io has everything already.",
    "not_modelled": "The customer is deleted or no longer in the model; the person is left as it is.",
    "removed_in_customerio": "The person was deleted or suppressed, here or in Customer.io, and is not created again.",
    "deleted_before_linked": "The customer was deleted in Stripe before anything about it was sent.",
    "link_settling": "The link was accepted a moment ago; the rest is sent once it has settled.",
    "email_settling": "The email was given up by another person a moment ago; it is used once that has settled.",
    "rejected_before": "Customer.io turned exactly this down before. It is sent again when it changes, or by "
    "stripe-cio retry.",
    # event
    "event_forwarded": "This happened in Stripe, and the person is linked.",
    "event_of_guest": "Somebody paid as a guest, who is no Stripe customer. events.guests says not to forward that.",
    "event_of_unknown_guest": "Somebody paid as a guest, and nobody with that email is known in Customer.io. Nobody is "
    "created by an event.",
    "event_of_sought_guest": "Somebody paid as a guest. Delivery looks whether Customer.io has anybody by that email.",
    "event_of_nobody": "The event names neither a customer nor an email, so it is nobody's.",
    "event_of_deleted_customer": "The customer was deleted in Stripe, and Customer.io does not have the person.",
}
