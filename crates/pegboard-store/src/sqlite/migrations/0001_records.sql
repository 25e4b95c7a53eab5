-- Times are microseconds since the Unix epoch, documents are versioned JSON, `ordinal` is the order of insertion.
create table plugins (
    name text primary key not null,
    document text not null
) strict, without rowid;

create table workflows (
    ordinal integer primary key autoincrement,
    uid text not null unique,
    name text not null unique,
    updated_at integer not null,
    document text not null
) strict;

create table runs (
    ordinal integer primary key autoincrement,
    uid text not null unique,
    name text not null unique,
    workflow text not null,
    state text not null,
    document text not null
) strict;
create index runs_by_workflow on runs (workflow, ordinal);
create index runs_by_state on runs (state, ordinal);
create index runs_by_workflow_and_state on runs (workflow, state, ordinal);

create table stage_runs (
    run integer not null references runs (ordinal),
    position integer not null,
    document text not null,
    primary key (run, position)
) strict, without rowid;

create table logs (
    run integer primary key references runs (ordinal),
    length integer not null
) strict;

create table log_lines (
    run integer not null references logs (run),
    sequence integer not null,
    time integer not null,
    stage text,
    stream text not null,
    level text not null,
    text text not null,
    primary key (run, sequence)
) strict, without rowid;
