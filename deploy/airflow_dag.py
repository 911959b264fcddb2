"""One campaign as an Airflow task: begun every hour, continued until everyone has their message.

Exit code 7 (outside the hours, or the quota is used up) becomes a skipped task, not a failed one. A task that fails for
the environment is tried again; the ledger makes that safe.
"""

import pendulum
from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG(
    "order_update",
    schedule="@hourly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
):
    BashOperator(
        task_id="run",
        bash_command="campaign run order_update.yaml --no-wait",
        cwd="/srv/campaigns",
        skip_on_exit_code=7,
        retries=3,
        retry_delay=pendulum.duration(minutes=10),
    )
