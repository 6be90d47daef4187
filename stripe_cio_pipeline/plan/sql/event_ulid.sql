-- A ULID that is the same for the same Stripe event: 48 bits of its time in milliseconds, 80 bits of sha256 of its id.
create or replace temp macro base32_digits(number, count) as
    list_aggregate(
        list_transform(
            range(count - 1, -1, -1),
            lambda place: '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[((number >> (5 * place)) & 31)::integer + 1]
        ),
        'string_agg', ''
    );

create or replace temp macro event_ulid(event_id, created) as
    base32_digits(created * 1000, 10)
    || base32_digits(('0x' || sha256(event_id)[1:10])::bigint, 8)
    || base32_digits(('0x' || sha256(event_id)[11:20])::bigint, 8)
