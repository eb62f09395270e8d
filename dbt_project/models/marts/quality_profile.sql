{{ config(materialized='view', post_hook="{{ create_quality_profile() }}") }}

-- Four weeks, so that every weekday counts as often. For other days and time zones: quality_profile_between().

with newest as (

    select max(hour) as hour from {{ ref('quality_hourly') }}

),

hours as (

    select
        hour at time zone 'UTC' as local_hour,
        *
    from {{ ref('quality_hourly') }}
    where hour > (select hour - interval '28 days' from newest)

),

{{ quality_profile('hours') }}
