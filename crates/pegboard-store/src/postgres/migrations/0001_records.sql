-- Times are microseconds since the Unix epoch, documents are versioned JSON, `ordinal` is the order of insertion.
create table plugins (
    name text primary key,
    document text not null
);

create table workflows (
    ordinal bigint generated always as identity primary key,
    uid text not null unique,
    name text not null unique,
    updated_at bigint not null,
    document text not null
);

create table runs (
    ordinal bigint generated always as identity primary key,
    uid text not null unique,
    name text not null unique,
    workflow text not null,
    state text not null,
    document text not null
);
create index runs_by_workflow on runs (workflow, ordinal);
create index runs_by_state on runs (state, ordinal);
create index runs_by_workflow_and_state on runs (workflow, state, ordinal);

create table stage_runs (
    run bigint not null references runs (ordinal),
    position bigint not null,
    document text not null,
    primary key (run, position)
);

create table logs (
    run bigint primary key references runs (ordinal),
    length bigint not null
);

create table log_lines (
    run bigint not null references logs (run),
    sequence bigint not null,
    time bigint not null,
    stage text,
    stream text not null,
    level text not null,
    text text not null,
    primary key (run, sequence)
);
