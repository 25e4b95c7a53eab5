-- Labelling. Times are microseconds since the Unix epoch, documents are versioned JSON, `ordinal` is the order of insertion.
create table organizations (
    id text primary key,
    document text not null
);

create table users (
    ordinal bigint generated always as identity primary key,
    id text not null unique,
    email text not null unique,
    document text not null
);

create table api_keys (
    ordinal bigint generated always as identity primary key,
    id text not null unique,
    hash text not null unique,
    expires_at bigint,
    document text not null
);
create index api_keys_by_end on api_keys (expires_at) where expires_at is not null;

create table projects (
    ordinal bigint generated always as identity primary key,
    id text not null unique,
    deleted bigint not null,
    version bigint not null,
    document text not null
);
create index projects_by_deleted on projects (deleted, ordinal);

-- `external_start` and `data_start`: as much of the text as an index takes.
create table assets (
    ordinal bigint generated always as identity primary key,
    id text not null unique,
    project text not null,
    external_start text not null,
    data_start text not null,
    document text not null
);
create index assets_by_project on assets (project, ordinal);
create index assets_by_external_id on assets (project, external_start, ordinal);
create index assets_by_data on assets (project, data_start, ordinal);

create table tasks (
    ordinal bigint generated always as identity primary key,
    id text not null unique,
    project text not null,
    asset text not null,
    stage text not null,
    plugin text,
    version bigint not null,
    document text not null
);
create index tasks_by_project on tasks (project, ordinal);
create index tasks_by_stage on tasks (project, stage, ordinal);
create index tasks_by_asset on tasks (asset, ordinal);
create index tasks_by_plugin on tasks (plugin, ordinal) where plugin is not null;

create table past_stages (
    ordinal bigint generated always as identity primary key,
    id text not null unique,
    task text not null,
    document text not null
);
create index past_stages_by_task on past_stages (task, ordinal);

create table issues (
    ordinal bigint generated always as identity primary key,
    id text not null unique,
    project text not null,
    task text not null,
    document text not null
);
create index issues_by_project on issues (project, ordinal);
create index issues_by_task on issues (task, ordinal);

create table storages (
    ordinal bigint generated always as identity primary key,
    id text not null unique,
    document text not null
);
