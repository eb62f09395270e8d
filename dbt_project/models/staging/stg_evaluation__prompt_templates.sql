select
    template_id,
    origin,
    template,
    project,
    miner,
    first_seen as first_seen_at
from {{ source('evaluation', 'prompt_templates') }}
