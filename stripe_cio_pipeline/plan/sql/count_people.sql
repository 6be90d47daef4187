select
    (select count(*) from model.people) as modelled,
    (select count(*) from orphans where person_id not in (select former from successions)) as orphaned,
    -- Counted by who is not: hardly anybody, so that the rest is told by each block's least and greatest state.
    (select count(*) from customerio.people)
    - (select count(*) from customerio.people where state in ('held', 'deleted', 'suppressed')) as known,
    (select count(*) from decisions where action = 'wait') as waiting,
    (select count(*) from decisions where action = 'rejected') as rejected,
    -- Those without a row in the plan were turned down before, with the same content.
    (
        select count(*) from decisions where action in ('identify', 'update', 'delete', 'suppress', 'merge', 'hold')
    ) as decided,
    (select count(*) from planned_events where is_due) as due_events,
    (select count(*) from planned_events where not is_due) as waiting_events
