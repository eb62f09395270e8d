{{ config(tags=['daily']) }}

{{ quality_by(['prompt_name', 'prompt_version']) }}
