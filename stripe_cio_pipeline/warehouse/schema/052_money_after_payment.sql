-- Money that moves after the payment: disputes, credit notes, and the payments of an invoice.
create table stripe.disputes as from stripe.customers limit 0;
create table stripe.credit_notes as from stripe.customers limit 0;
create table stripe.invoice_payments as from stripe.customers limit 0;

-- Object types that the key may not read, and that a sync can do without: what is made of them is not known.
create table pipeline.not_granted (
    object varchar not null,
    permission varchar not null,
    run_id varchar
);
