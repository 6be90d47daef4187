-- Of the whole span: what else lies in it does no harm, and looking for it would cost more.
select distinct action from customerio.operations where position between $first and $last
