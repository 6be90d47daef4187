-- Who owned which email when a plan was last made: an owner stays one, whatever changes around it, until it is deleted.
create table model.owners (
    email_key varchar not null,
    person_id varchar not null
);
-- Who was a person in `model.people` and left it: whoever of them Customer.io knows still has to be looked after.
create table model.former_people (
    person_id varchar not null
);
-- People to look at again in the next plan although nothing changed in Stripe: after a retry, or a drift that was found.
create table customerio.due (
    person_id varchar not null,
    due_at timestamp not null,
    reason varchar not null
);
