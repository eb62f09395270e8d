select
    started_at,
    call_id,
    template_id,
    prompt_hash,
    prompt_class,
    language,
    n_characters,
    miner,
    reader
from {{ source('evaluation', 'prompt_assignments') }}
