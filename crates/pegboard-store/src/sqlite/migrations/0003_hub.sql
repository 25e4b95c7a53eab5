-- Remote plugins, who has installed them, their presets, their sessions and what was said in these.
create table hub_plugins (
    ordinal integer primary key autoincrement,
    id text not null unique,
    updated_at integer not null,
    document text not null
) strict;

create table hub_installs (
    organization text not null,
    plugin text not null,
    installed_at integer not null,
    primary key (organization, plugin)
) strict, without rowid;

create table hub_presets (
    id text primary key not null,
    project text not null,
    plugin text not null,
    name text not null,
    document text not null,
    unique (project, plugin, name)
) strict, without rowid;

create table hub_sessions (
    ordinal integer primary key autoincrement,
    id text not null unique,
    plugin text not null,
    project text,
    state text not null,
    finished_at integer,
    log_length integer not null,
    document text not null
) strict;
create index hub_sessions_by_plugin on hub_sessions (plugin, ordinal);
create index hub_sessions_by_project on hub_sessions (project, ordinal);
create index hub_sessions_by_state on hub_sessions (state, ordinal);
create index hub_sessions_by_end on hub_sessions (finished_at, ordinal) where finished_at is not null;

create table hub_log_lines (
    session integer not null references hub_sessions (ordinal),
    sequence integer not null,
    time integer not null,
    level text not null,
    text text not null,
    more text,
    primary key (session, sequence)
) strict, without rowid;
