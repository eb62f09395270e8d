"""The texts of bodies stand compressed in their rows.

Postgres leaves a value of less than a page alone while its row is below `toast_tuple_target`, so that a call of
2 KB took half a page: 4.1 GB a million calls, of which every page was a quarter empty.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# MAIN stays in the row as long as a page holds it; EXTERNAL would send the packed bodies out of line, at a row and an
# index entry each. lz4 where the server was built with it: pglz keeps what it cannot make a quarter smaller.
SQL = r"""
do $$
declare
    target regclass;
    col text;
begin
    for target in select relid from pg_partition_tree('raw.llm_bodies') order by level loop
        foreach col in array array['request', 'response', 'input_text', 'output_text'] loop
            execute format('alter table %s alter column %I set storage main', target, col);
            begin
                execute format('alter table %s alter column %I set compression lz4', target, col);
            exception when feature_not_supported then
                raise notice 'this server has no lz4: the texts of bodies are compressed with pglz';
            end;
        end loop;
    end loop;
    for target in select relid from pg_partition_tree('raw.llm_bodies') where isleaf and level > 0 loop
        execute format('alter table %s set (toast_tuple_target = 1000)', target);
    end loop;
end $$;
update ingest.partitioned_tables set options = 'toast_tuple_target = 1000' where parent = 'raw.llm_bodies';
"""

UNDO = r"""
do $$
declare
    target regclass;
begin
    for target in select relid from pg_partition_tree('raw.llm_bodies') order by level loop
        execute format(
            'alter table %s alter column request set storage external, alter column response set storage external,'
            ' alter column input_text set storage extended, alter column output_text set storage extended,'
            ' alter column request set compression default, alter column response set compression default,'
            ' alter column input_text set compression default, alter column output_text set compression default',
            target
        );
    end loop;
    for target in select relid from pg_partition_tree('raw.llm_bodies') where isleaf and level > 0 loop
        execute format('alter table %s set (toast_tuple_target = 8160)', target);
    end loop;
end $$;
update ingest.partitioned_tables set options = 'toast_tuple_target = 8160' where parent = 'raw.llm_bodies';
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(UNDO)
