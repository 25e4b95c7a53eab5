-- One table for all kinds of resources; the order of insertion stays.
create table resources (
    ordinal bigint generated always as identity primary key,
    kind text not null,
    uid text not null,
    name text not null,
    updated_at bigint not null,
    document text not null,
    unique (kind, uid),
    unique (kind, name)
);
create index resources_by_kind on resources (kind, ordinal);
insert into resources (ordinal, kind, uid, name, updated_at, document)
    overriding system value
    select ordinal, 'workflow', uid, name, updated_at, document from workflows;
select setval(pg_get_serial_sequence('resources', 'ordinal'), coalesce(max(ordinal), 0) + 1, false) from resources;
drop table workflows;

-- The number of the last event outlives the event, so that no number is given twice. Whoever stores an event locks the row
-- until the commit, so that numbers become visible in their order.
create table sequences (
    name text primary key,
    last bigint not null
);
insert into sequences (name, last) values ('events', 0);

create table events (
    sequence bigint primary key,
    id text not null unique,
    handled bigint not null,
    document text not null
);
create index events_pending on events (sequence) where handled = 0;

-- When a run ended: documents have it as RFC 3339. PostgreSQL has no text for the escape of a zero byte and refuses to look into
-- a document that has one anywhere; so it looks into one that has spaces there.
alter table runs add column finished_at bigint;
update runs
    set finished_at = extract(epoch from
        cast(cast(replace(document, '\u0000', '\u0020') as json) ->> 'finished_at' as timestamptz)) * 1000000
    where state not in ('pending', 'running');
create index runs_by_end on runs (finished_at, ordinal) where finished_at is not null;
