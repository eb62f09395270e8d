-- Judges' pass rate, raw and corrected
-- What do people's labels leave of the judge's pass rate? Corrected only where there are labels enough.
select
    day::timestamp at time zone 'UTC' as time,
    evaluator || ' ' || evaluator_version as judge,
    raw_pass_rate as raw,
    corrected_pass_rate as corrected
from marts.pass_rates_daily
where day >= :since_day and day <= :until_day and stratum = 'overall' and :in(evaluator)
order by 1, 2
