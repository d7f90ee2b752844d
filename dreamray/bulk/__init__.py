"""Sets of pictures: a folder, an s3:// prefix or a list becomes a set of dreams.

| module | |
|---|---|
| `job` | a whole run, from the lease to the report |
| `request` | what is asked for, and when a run gives up |
| `sources`, `lists`, `left_out` | the pictures asked for, and those that are not |
| `naming`, `clashes`, `entry` | their results' names, and who has one |
| `bulk_planner`, `task_store` | what is asked for, what is there, and so what is to be done |
| `scheduler`, `retry_queue` | handing out, trying again, recording |
| `task`, `task_runner` | one picture, and a process that makes several at a time |
| `task_executor`, `ray_executor`, `executors` | threads of this process, or a cluster's workers |
| `feeding` | how many pictures each has in hand |
| `existing`, `digests`, `record`, `manifest` | what is known of finished ones, from run to run |
| `bulk_events`, `bulk_metrics`, `reporting`, `report` | telling of it |
| `atlas` | a set of all channels of a layer, and its picture |
"""
