insert into pipeline.shapes (
    object, source, api_version, verdict, missing, payloads, first_at, last_at, run_id
)
values (?, ?, ?, ?, ?, ?, ?, ?, ?);
