"""Every metric of the workload: declared, counted and rendered."""
