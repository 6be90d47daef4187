-- Plans that were delivered stay as history.
delete from customerio.plans
where delivered_at is null
