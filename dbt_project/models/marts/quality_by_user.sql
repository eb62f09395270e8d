{{ config(tags=['daily'], indexes=[{'columns': ['user_id', 'day']}]) }}

{{ quality_by(['user_id']) }}
