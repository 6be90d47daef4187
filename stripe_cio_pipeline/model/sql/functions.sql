-- Small functions that every model may use. They live for one build.

-- How many of Stripe's minor units make one unit of the currency. Zero- and three-decimal currencies as in Stripe's
-- documentation; isk and ugx have no decimals of their own, but Stripe gives them with two.
create or replace temp macro minor_units(currency) as
    case
        when lower(currency) in (
            'bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf'
        ) then 1
        when lower(currency) in ('bhd', 'jod', 'kwd', 'omr', 'tnd') then 1000
        else 100
    end;

-- Minor units as an amount of the currency: 1999 usd is 19.99, 500 jpy is 500.0. Sums are made before, in integers; the one
-- division gives the nearest double, which prints exactly up to 15 digits.
create or replace temp macro major(amount, currency) as amount / minor_units(currency);

-- A price's amount, which Stripe gives with up to twelve decimals. What is too large to be one is none.
create or replace temp macro price_amount(value) as
    case when abs(try_cast(value as double)) < 1e14 then try_cast(value as double) end;

-- An amount of a billing interval as the amount of a month: a year has 12 months, 52 weeks and 365 days. Rounded to a
-- millionth of a minor unit, so that thirds add up again. All in doubles, because a decimal of 38 digits takes twenty times
-- as long to divide or to round; what is added up is made a decimal before (`exactly`).
create or replace temp macro monthly(amount, billing_interval, interval_count) as
    round(
        case billing_interval
            when 'month' then amount / interval_count
            when 'year' then amount / (12 * interval_count)
            when 'week' then amount * 52.0 / (12 * interval_count)
            when 'day' then amount * 365.0 / (12 * interval_count)
        end,
        6
    );

-- An amount to be added to others: decimals add up to the same in whatever order, which doubles do not.
create or replace temp macro exactly(amount) as cast(amount as decimal(38, 6));

-- The id of something that Stripe gives as an id or, expanded, as the object itself.
create or replace temp macro expanded_id(value) as
    case when starts_with(value, '{') then json_extract_string(value, '$.id') else value end;

-- How often a month something is billed, by the same year.
create or replace temp macro times_a_month(billing_interval, interval_count) as
    case billing_interval
        when 'month' then 1 / interval_count
        when 'year' then 1 / (12 * interval_count)
        when 'week' then 52 / (12 * interval_count)
        when 'day' then 365 / (12 * interval_count)
    end;

-- What the items of an invoice cost after discounts, one after the other. `costs` is a list with a place for each item; each of
-- `steps` says to which of them it `applies`. A percentage is taken off each; an amount, up to what they cost by then, is
-- shared by them in proportion to that. What a step takes off may be null: it is not known.
create or replace temp macro discounted(costs, steps) as
    list_reduce(
        list_prepend(
            struct_pack(
                costs := cast(costs as double[]),
                applies := cast(null as boolean[]),
                percent := cast(null as double),
                amount := cast(null as double)
            ),
            list_transform(
                steps,
                lambda step: struct_pack(
                    costs := cast(null as double[]),
                    applies := step.applies,
                    percent := cast(step.percent as double),
                    amount := cast(step.amount as double)
                )
            )
        ),
        lambda rest, step: struct_pack(
            costs := list_transform(
                rest.costs,
                lambda cost, place: case
                    when not step.applies[place] or cost = 0 then cost
                    when step.percent is not null then cost * (1 - step.percent / 100)
                    when step.amount is not null
                        then
                            cost * greatest(
                                1 - step.amount / list_sum(
                                    list_transform(rest.costs, lambda other, n: if(step.applies[n], other, 0))
                                ),
                                0
                            )
                end
            ),
            applies := step.applies,
            percent := step.percent,
            amount := step.amount
        )
    ).costs;

-- Unix seconds of the moment that a month is over, in UTC: when a card that is valid through that month expires.
create or replace temp macro month_end(year_number, month_number) as
    case
        when year_number between 1970 and 9998 and month_number between 1 and 12
            then cast(epoch(make_date(year_number, month_number, 1) + interval 1 month) as bigint)
    end;

-- A number to choose by: rows are ordered by a number of up to eleven digits, and where two have the same one, always in the
-- same way. `arg_max(value, ordered(created, id))` is fast, and with `(created, id)` it is not.
create or replace temp macro ordered(number, id) as number * 67108864 + cast(hash(id) >> 38 as bigint);
