select subject, state from pipeline.alerts
