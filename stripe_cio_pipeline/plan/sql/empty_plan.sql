-- Plans that were delivered stay as history, without their rows.
delete from customerio.plan;

delete from customerio.plans
where delivered_at is null
