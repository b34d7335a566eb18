"""Commands that list, show and label what is stored."""

from __future__ import annotations

from pathlib import Path

from support.small_traffic import done, failed, objects, run


def test_accounts_and_campaigns(worked: Path) -> None:
    accounts = objects("accounts", "--home", worked, "--flagged", "--format", "jsonl")
    assert {a["account_id"] for a in accounts} == {f"pool{i}" for i in range(12)}
    [first, *_] = accounts
    assert first["flagged"] is True
    assert {"name", "value", "contribution", "words", "phrase"} == first["evidence"][0].keys()  # type: ignore[index]
    table = done("accounts", "--home", worked, "--limit", 3)
    assert "pool" in table
    assert "3 of these are flagged; about 0." in table
    assert done("accounts", "--home", worked, "--relays").strip() == "no assessed accounts"
    assert "--relays" in failed(2, "accounts", "--home", worked, "--relays", "--family", "f1")
    campaigns = objects("campaigns", "--home", worked, "--format", "jsonl")
    assert sum(len(c["families"]) for c in campaigns) == 2  # type: ignore[arg-type,misc]
    assert "largest template" in done("campaigns", "--home", worked)


def test_one_account_and_one_campaign(worked: Path) -> None:
    [account] = objects("accounts", "show", "pool3", "--home", worked, "--json")
    assert account["flagged"] is True
    page = done("accounts", "show", "pool3", "--home", worked)
    assert page.startswith("account pool3: score ")
    assert "conversations are of family" in page.partition("why")[2]
    [listed, *_] = objects("campaigns", "--home", worked, "--json")
    shown = objects("campaigns", "show", listed["campaign_id"], "--home", worked, "--format", "jsonl")
    assert shown == [listed]
    page = done("campaigns", "show", listed["campaign_id"], "--home", worked)
    assert all(str(family) in page for family in listed["families"])  # type: ignore[attr-defined]
    assert "nobody" in failed(7, "accounts", "show", "nobody", "--home", worked)
    assert "nothing" in failed(7, "campaigns", "show", "nothing", "--home", worked)


def test_all_accounts_of_a_campaign_or_family(worked: Path, family: str) -> None:
    [campaign, *_] = objects("campaigns", "--home", worked, "--json")
    pool = sorted(f"pool{i}" for i in range(12))
    for which in (("--campaign", str(campaign["campaign_id"])[:6]), ("--family", family)):
        listed = objects("accounts", *which, "--sort", "account", "--home", worked, "--json")
        assert [a["account_id"] for a in listed] == pool
        lines = done("accounts", *which, "--sort", "account", "--csv", "--home", worked).splitlines()
        assert lines[0].startswith("account_id,requests,conversations,all_requests,share,")
        assert [line.partition(",")[0] for line in lines[1:]] == pool
        table = done("accounts", *which, "--prefix", "pool1", "--home", worked)
        assert (table.count("pool"), "2026-" in table) == (3, True)
    assert "go with --campaign or --family" in failed(2, "accounts", "--csv", "--home", worked)
    assert "no family nobody" in failed(7, "accounts", "--family", "nobody", "--home", worked)


def test_format_and_json_are_two_spellings_of_one(
    worked: Path, home: Path, family: str, tmp_path: Path
) -> None:
    for command in (("families",), ("families", "show", family), ("accounts",), ("campaigns",), ("nights",)):
        assert objects(*command, "--home", worked, "--json") == objects(
            *command, "--home", worked, "--format", "jsonl"
        )
    [label] = objects("label", family, "benign", "--by", "ana", "--home", home, "--json")
    assert (label["family_id"], label["label"], label["by"]) == (family, "benign", "ana")
    [snapshot] = objects("publish", "--home", home, "--json")
    assert snapshot.keys() == {"snapshot_id"}
    shared = tmp_path / "shared.jsonl"
    shared.write_text(done("families", "show", family, "--home", worked, "--json"))
    [outcome] = objects("import", shared, "--home", tmp_path / "elsewhere", "--json")
    assert (outcome["new"], outcome["revoked"]) == ([family], 0)
    [key] = objects("keys", "create", "ana", "--scope", "read", "--home", home, "--json")
    [revoked] = objects("keys", "revoke", key["key_id"], "--home", home, "--json")
    assert "key" not in revoked
    assert revoked["revoked"] is not None
    [simulated] = objects("simulate", tmp_path / "t.jsonl", "--rows", 2000, "--json")
    assert simulated["rows"] == 2000


def test_the_beginning_of_an_id_is_enough(home: Path, traffic: tuple[Path, Path], family: str) -> None:
    families = [str(f["family_id"]) for f in objects("families", "--home", home, "--json")]
    [other] = [f for f in families if f != family]
    start = next(family[:n] for n in range(1, 20) if not other.startswith(family[:n]))
    at = ("--home", home)
    assert done("families", "show", start, *at) == done("families", "show", family, *at)
    assert done("label", start, "benign", "--by", "ana", *at) == f"{family}: labelled benign by ana\n"
    assert objects("hunt", start, traffic[0], *at, "--json")[0]["family_id"] == family
    assert done("export", start, "--format", "json", *at) == done("export", family, "--format", "json", *at)
    campaign = str(objects("campaigns", *at, "--json")[0]["campaign_id"])
    assert objects("campaigns", "show", campaign[:6], *at, "--json")[0]["campaign_id"] == campaign
    assert objects("accounts", "show", "pool10", *at, "--json")[0]["account_id"] == "pool10"
    both = failed(2, "families", "show", "f", *at)
    assert all(f in both for f in families)
    assert "no family nobody" in failed(7, "hunt", "nobody", traffic[0], *at)
    assert "12 accounts: pool0, pool1," in failed(2, "accounts", "show", "pool", *at)


def test_a_misspelt_label_is_told(home: Path, family: str) -> None:
    refused = failed(2, "label", family, "campain", "--home", home)
    assert "did you mean 'campaign'?" in refused
    assert "--as-written" in refused
    assert "labelled campain" in done("label", family, "campain", "--as-written", "--home", home)
    assert "labelled our benchmark" in done("label", family, "our benchmark", "--home", home)


def test_filters(worked: Path, family: str) -> None:
    listed = ("families", "--home", worked, "--format", "jsonl")
    assert len(objects(*listed, "--limit", 1)) == 1
    assert objects(*listed, "--min-score", 1.1) == []
    assert objects(*listed, "--label", "benign") == []
    assert len(objects(*listed, "--label", "none")) == 2
    assert done("families", "--home", worked, "--min-score", 1.1) == "no families\n"


def test_sorts(home: Path) -> None:
    at = ("--home", home, "--json")
    for key in ("score", "accounts", "requests", "first-seen", "last-seen"):
        values = [f[key.replace("-", "_")] for f in objects("families", *at, "--sort", key)]
        assert len(values) == 2
        assert values == sorted(values, reverse=True)  # type: ignore[type-var]
    assert "'size' is not one of" in failed(2, "families", "--home", home, "--sort", "size")


def test_a_filter_by_a_misspelt_label_is_told(worked: Path) -> None:
    result = run("families", "--home", worked, "--label", "bening")
    assert (result.exit_code, result.stdout) == (0, "no families\n")
    assert result.stderr == "fingerprint: no family is labelled bening; did you mean benign?\n"
