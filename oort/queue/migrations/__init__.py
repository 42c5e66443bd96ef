"""The schema's steps, one file each; run by `oort.queue.database.migrate`."""
