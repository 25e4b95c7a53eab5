-- One table for all kinds of resources; the order of insertion stays.
create table resources (
    ordinal integer primary key autoincrement,
    kind text not null,
    uid text not null,
    name text not null,
    updated_at integer not null,
    document text not null,
    unique (kind, uid),
    unique (kind, name)
) strict;
create index resources_by_kind on resources (kind, ordinal);
insert into resources (ordinal, kind, uid, name, updated_at, document)
    select ordinal, 'workflow', uid, name, updated_at, document from workflows order by ordinal;
drop table workflows;

-- The number of the last event outlives the event, so that no number is given twice.
create table sequences (
    name text primary key not null,
    last integer not null
) strict, without rowid;
insert into sequences (name, last) values ('events', 0);

create table events (
    sequence integer primary key,
    id text not null unique,
    handled integer not null,
    document text not null
) strict;
create index events_pending on events (sequence) where handled = 0;

-- When a run ended: documents have it as RFC 3339 with six digits behind the point.
alter table runs add column finished_at integer;
update runs
    set finished_at = case when json_valid(document) then
        strftime('%s', substr(document ->> '$.finished_at', 1, 19)) * 1000000
            + cast(substr(document ->> '$.finished_at', 21, 6) as integer)
        end
    where state not in ('pending', 'running');
create index runs_by_end on runs (finished_at, ordinal) where finished_at is not null;
