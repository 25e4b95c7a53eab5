-- The catalog. Times are microseconds since the Unix epoch, documents are versioned JSON, `current` is 1 for the last version.
create table artifacts (
    ordinal integer primary key autoincrement,
    kind text not null,
    name text not null,
    version integer not null,
    current integer not null,
    modified_at integer not null,
    document text not null,
    unique (kind, name, version)
) strict;
create index artifacts_by_name on artifacts (current, kind, name);

-- What the last version of an artifact was made from.
create table artifact_inputs (
    kind text not null,
    name text not null,
    input_kind text not null,
    input_name text not null,
    primary key (kind, name, input_kind, input_name)
) strict, without rowid;
create index artifact_inputs_by_input on artifact_inputs (input_kind, input_name);
