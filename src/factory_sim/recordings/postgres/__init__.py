"""A feed in PostgreSQL: event rows, samples by the minute and KPIs, written once each, for Grafana."""
