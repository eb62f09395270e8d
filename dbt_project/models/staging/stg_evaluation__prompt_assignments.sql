select
    started_at,
    call_id,
    template_id,
    miner
from {{ source('evaluation', 'prompt_assignments') }}
