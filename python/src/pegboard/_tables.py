"""Tables of the catalog: taken in, looked at, asked. Runs in a worker of its own environment, which has DuckDB and pyarrow.

The server names files in the job and reads what is written beside it, so that neither a table nor an answer passes through it as an
object. Invariants: a query sees the tables that the job names and no other file; nothing that it says changes anything.
"""

from __future__ import annotations

import datetime
import json
import math
import os
from typing import Any

__all__ = ["TableRefused", "run"]

# Nothing beyond these many rows is ever sent as JSON.
MOST_ROWS = 10_000
# Groups of outliers, and values that are counted.
MOST_PER_GROUP = 10
MOST_VALUES = 20
NUMBERS = frozenset({"tinyint", "smallint", "int", "bigint", "float", "double", "decimal"})
TYPES = {
    "tinyint": "tinyint",
    "utinyint": "smallint",
    "smallint": "smallint",
    "usmallint": "int",
    "integer": "int",
    "uinteger": "bigint",
    "bigint": "bigint",
    "hugeint": "decimal",
    "ubigint": "decimal",
    "float": "float",
    "double": "double",
    "varchar": "string",
    "boolean": "boolean",
    "date": "date",
    "blob": "binary",
}
# A seed, so that a sample is the same for everybody who looks.
SEED = 42


class TableRefused(Exception):
    """What was sent, or asked, cannot be done; the message is for whoever did."""


def run(job: dict[str, Any]) -> None:
    """Does the job and writes the answer to `job["answer"]`."""
    work = {"take": _take, "rows": _rows, "query": _query, "statistics": _statistics, "outliers": _outliers}[job["action"]]
    answer = work(job)
    partial = f"{job['answer']}.part"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(answer, file, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    os.replace(partial, job["answer"])


# Jobs.


def _take(job: dict[str, Any]) -> dict[str, Any]:
    """Reads a table in a foreign format and writes it as Parquet."""
    import duckdb

    connection = _connect({})
    source, target = job["source"], job["target"]
    readers = {
        "csv": f"read_csv({_text(source)}, sample_size=100000, max_line_size=16777216)",
        "parquet": f"read_parquet({_text(source)})",
        "json": f"read_json({_text(source)}, sample_size=100000, maximum_object_size=67108864)",
    }
    try:
        relation = connection.sql(f"select * from {readers[job['format']]}")
        if not relation.columns:
            raise TableRefused("the table has no columns")
        # What an index without a name becomes in a CSV file.
        unnamed = [name for name in relation.columns if not name.strip()]
        if unnamed:
            raise TableRefused("a column of the table has no name")
        connection.execute(
            f"copy (select * from {readers[job['format']]}) to {_text(target)} (format parquet, compression zstd, row_group_size 100000)"
        )
        rows = _one(connection, f"select count(*) from read_parquet({_text(target)})")[0]
        columns = _columns(connection, f"read_parquet({_text(target)})")
    except duckdb.Error as error:
        raise TableRefused(f"the {job['format']} file cannot be read as a table: {_first_line(error)}") from None
    return {"rows": rows, "columns": columns}


def _rows(job: dict[str, Any]) -> dict[str, Any]:
    """A page of a table, or a sample of it."""
    connection = _connect({"data": job["path"]})
    if job.get("sample"):
        sql = f"select * from data using sample reservoir({int(job['limit'])} rows) repeatable ({SEED})"
        return _answer(connection, sql, job)
    return _answer(connection, f"select * from data limit {int(job['limit'])} offset {int(job['offset'])}", job)


def _query(job: dict[str, Any]) -> dict[str, Any]:
    import duckdb

    connection = _connect({}, job["tables"])
    try:
        statements = connection.extract_statements(job["sql"])
    except duckdb.Error as error:
        raise TableRefused(f"the query is no SQL: {_first_line(error)}") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise TableRefused("a query is one `select` statement")
    text = statements[0].query.strip().rstrip(";")
    return _answer(connection, f"select * from (\n{text}\n) limit {int(job['limit'])} offset {int(job['offset'])}", job)


def _statistics(job: dict[str, Any]) -> dict[str, Any]:
    """Of each column: type, distinct values, nulls, then quartiles and correlations, or counts of values."""
    connection = _connect({"data": job["path"]})
    columns = _columns(connection, "data")
    numbers = [column["name"] for column in columns if column["sql_type"] in NUMBERS]
    descriptive: dict[str, Any] = {}
    statistics: dict[str, Any] = {}
    for column in columns:
        name, quoted = column["name"], _name(column["name"])
        row = _one(connection, f"select approx_count_distinct({quoted}), count(*) - count({quoted}), count(*) from data")
        # Exact where it is cheap.
        distinct = row[0] if row[2] > 1_000_000 else _one(connection, f"select count(distinct {quoted}) from data")[0]
        statistics[name] = {"dtype": column["sql_type"], "unique": distinct, "nulls": row[1]}
        if column["sql_type"] in NUMBERS:
            clean = f"case when isfinite({quoted}::double) then {quoted}::double end"
            parts = _one(
                connection,
                f"select min(v), approx_quantile(v, [0.25, 0.5, 0.75]), max(v), avg(v), stddev_samp(v), count(*) filter (v = 0)"
                f" from (select {clean} as v from data)"
                if row[2] > 1_000_000
                else f"select min(v), quantile_cont(v, [0.25, 0.5, 0.75]), max(v), avg(v), stddev_samp(v), count(*) filter (v = 0)"
                f" from (select {clean} as v from data)",
            )
            quartiles = parts[1] or [None, None, None]
            values = (parts[0], quartiles[0], quartiles[1], quartiles[2], parts[2], parts[3], parts[4])
            described = dict(zip(("min", "q1", "median", "q3", "max", "mean", "stddev"), map(_plain, values), strict=True))
            descriptive[name] = statistics[name]["descriptive_stats"] = described
            statistics[name]["num_zeros"] = parts[5]
        elif column["sql_type"] in ("string", "boolean"):
            statistics[name]["value_counts"] = _value_counts(connection, quoted)
    correlations = _correlations(connection, numbers)
    for name, related in correlations.items():
        statistics[name]["correlations"] = related
    return {
        "column_stats": statistics,
        "descriptive_stats": descriptive,
        "value_counts": {name: each["value_counts"] for name, each in statistics.items() if "value_counts" in each},
        "correlations": correlations,
    }


def _outliers(job: dict[str, Any]) -> dict[str, Any]:
    """Rows far outside of the quartiles of a number, at most ten of each side of each column; then, when asked, a sample."""
    connection = _connect({"data": job["path"]})
    scale = float(job.get("scale", 1.5))
    columns = _columns(connection, "data")
    parts = []
    for column in columns:
        if column["sql_type"] not in NUMBERS:
            continue
        quoted = _name(column["name"])
        low, high = _one(connection, f"select quantile_cont({quoted}::double, 0.25), quantile_cont({quoted}::double, 0.75) from data")
        if low is None or not math.isfinite(high - low) or high == low:
            continue
        reach = (high - low) * scale
        for side, condition, order in (
            ("low", f"{quoted}::double < {low - reach!r}", "asc"),
            ("high", f"{quoted}::double > {high + reach!r}", "desc"),
        ):
            group = _text(f"{column['name']}_{side}")
            parts.append(
                f"(select *, {group} as outlier_group from data where {condition} order by {quoted} {order} limit {MOST_PER_GROUP})"
            )
    if job.get("sample"):
        limit = int(job["limit"])
        parts.append(f"(select *, 'sample' as outlier_group from data using sample reservoir({limit} rows) repeatable ({SEED}))")
    if not parts:
        parts.append("(select *, '' as outlier_group from data limit 0)")
    sql = " union all ".join(parts)
    if job.get("sample"):
        # The first group of a row counts.
        names = ", ".join(_name(column["name"]) for column in columns)
        ordered = " union all ".join(f"select *, {number} as _pegboard_part from {part}" for number, part in enumerate(parts))
        sql = (
            f"select * exclude (_pegboard_part) from ({ordered})"
            f" qualify row_number() over (partition by {names} order by _pegboard_part) = 1 order by _pegboard_part"
        )
    return _answer(connection, f"select * from ({sql}) limit {MOST_ROWS}", job)


# Parts of them.


def _value_counts(connection: Any, quoted: str) -> dict[str, int]:
    counted = f"select coalesce({quoted}::varchar, 'NaN') as value, count(*) as n from data group by 1"
    rows = connection.execute(f"{counted} order by n desc, value limit {MOST_VALUES}").fetchall()
    seen = {value for value, _ in rows}
    least = connection.execute(f"{counted} order by n asc, value desc limit {MOST_VALUES}").fetchall()
    rows += [each for each in reversed(least) if each[0] not in seen]
    return dict(rows)


def _correlations(connection: Any, names: list[str]) -> dict[str, dict[str, float]]:
    pairs = [(one, other) for position, one in enumerate(names) for other in names[position + 1 :]]
    found: dict[tuple[str, str], float] = {}
    for start in range(0, len(pairs), 200):
        part = pairs[start : start + 200]
        terms = ", ".join(f"{_corr(one, other)}" for one, other in part)
        row = _one(connection, f"select {terms} from data")
        for (one, other), value in zip(part, row, strict=True):
            if value is not None and math.isfinite(value):
                found[one, other] = found[other, one] = value
    result = {}
    for name in names:
        related = [(other, found[name, other]) for other in names if (name, other) in found]
        result[name] = dict(sorted(related, key=lambda each: -each[1]))
    return result


def _corr(one: str, other: str) -> str:
    first, second = _name(one), _name(other)
    # A constant column has no correlation; engines differ in whether they raise.
    return (
        f"case when stddev_pop({first}::double) > 0 and stddev_pop({second}::double) > 0 then corr({first}::double, {second}::double) end"
    )


def _connect(tables: dict[str, str], named: list[dict[str, str]] | None = None) -> Any:
    """In memory; `tables` are views by name, `named` have a schema, too. Foreign files are out of reach once there are any."""
    import duckdb

    connection = duckdb.connect(":memory:")
    connection.execute("set threads = 2")
    # Extensions would come from the network.
    connection.execute("set autoinstall_known_extensions = false")
    paths = [*tables.values(), *(each["path"] for each in named or [])]
    for name, path in tables.items():
        connection.execute(f"create view {_name(name)} as select * from read_parquet({_text(path)})")
    taken = {name.lower() for name in tables}
    for each in named or []:
        connection.execute(f"create schema if not exists {_name(each['schema'])}")
        body = f"select * from read_parquet({_text(each['path'])})"
        connection.execute(f"create view {_name(each['schema'])}.{_name(each['name'])} as {body}")
        # As identifiers, names with `-` are written with `_`.
        for name in dict.fromkeys((each["name"], each["name"].replace("-", "_"))):
            if name.lower() not in taken:
                taken.add(name.lower())
                connection.execute(f"create view {_name(name)} as {body}")
    if paths or named is not None:
        connection.execute(f"set allowed_paths = [{', '.join(map(_text, paths))}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    return connection


def _answer(connection: Any, sql: str, job: dict[str, Any]) -> dict[str, Any]:
    import duckdb

    try:
        if job.get("arrow"):
            return _arrow(connection, sql, job["arrow"])
        if not 0 <= int(job.get("limit", 0)) <= MOST_ROWS:
            raise TableRefused(f"a page holds at most {MOST_ROWS} rows")
        cursor = connection.execute(sql)
        names = [each[0] for each in cursor.description]
        types = [_type(str(each[1])) for each in cursor.description]
        rows = [[_plain(value) for value in row] for row in cursor.fetchmany(MOST_ROWS)]
    except duckdb.Error as error:
        raise TableRefused(f"the query failed: {_first_line(error)}") from None
    return {"columns": [{"name": name, "sql_type": kind} for name, kind in zip(names, types, strict=True)], "rows": rows}


def _arrow(connection: Any, sql: str, target: str) -> dict[str, Any]:
    import pyarrow as pa

    rows = 0
    reader = pa.RecordBatchReader.from_stream(connection.sql(sql))
    with pa.OSFile(target, "wb") as sink, pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return {"rows": rows}


def _columns(connection: Any, source: str) -> list[dict[str, str]]:
    rows = connection.execute(f"describe select * from {source}").fetchall()
    return [{"name": row[0], "sql_type": _type(str(row[1]))} for row in rows]


def _type(name: str) -> str:
    lower = name.lower()
    if lower.startswith("timestamp"):
        return "timestamp"
    if lower.startswith("decimal"):
        return "decimal"
    return TYPES.get(lower, lower)


def _one(connection: Any, sql: str) -> Any:
    # All of them: a result that is not read to its end is in the way of the next.
    return connection.execute(sql).fetchall()[0]


def _plain(value: object) -> object:
    """As JSON says it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else None


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
