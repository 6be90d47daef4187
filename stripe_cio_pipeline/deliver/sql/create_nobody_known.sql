create temp table known as from customerio.people limit 0
