import GRDB
import GatewayCore
import Rules
import Telemetry
import Workshop

/// A row of the table `alert` → the record.
enum AlertRow {
    static func alert(_ row: Row) -> Alert {
        func time(_ column: String) -> Timestamp? {
            (row[column] as Int64?).map(Timestamp.init(milliseconds:))
        }
        let evidence = Evidence(
            limit: row["limit_value"],
            isLimitAssumed: row["is_limit_assumed"],
            level: row["level"],
            slopePerDay: row["slope_per_day"],
            firstAt: Timestamp(milliseconds: row["first_ms"]),
            firstValue: row["first_value"],
            newestAt: Timestamp(milliseconds: row["newest_ms"]),
            newestValue: row["newest_value"],
            readings: row["readings"],
            early: time("early_ms"),
            middle: time("middle_ms"),
            late: time("late_ms"),
            actBy: time("act_by_ms"),
            isCrossed: row["is_crossed"],
            isFast: row["is_fast"]
        )
        return Alert(
            id: AlertID(rawValue: row["id"]),
            vehicle: VehicleID(index: row["vehicle_id"]),
            ruleID: row["rule_id"],
            ruleVersion: row["rule_version"],
            component: row["component"],
            state: AlertState(rawValue: row["state"]) ?? .open,
            outcome: (row["outcome"] as String?).flatMap(AlertOutcome.init(rawValue:)),
            raisedAt: Timestamp(milliseconds: row["raised_ms"]),
            updatedAt: Timestamp(milliseconds: row["updated_ms"]),
            evidence: evidence,
            sentence: Bilingual(zh: row["sentence_zh"], en: row["sentence_en"]),
            consequence: Consequence(rawValue: row["consequence"]) ?? .wear,
            severity: Severity(rawValue: row["severity"]) ?? .notice,
            jobs: list(row["jobs"]),
            flapCount: row["flap_count"],
            suggestion: (row["suggestion_id"] as Int64?).map(SuggestionID.init(rawValue:)),
            due: time("due_ms"),
            putOff: (row["muted_urgency"] as Int?).flatMap(Urgency.init(rawValue:)).map {
                PutOff(
                    urgency: $0,
                    early: time("put_off_early_ms"),
                    at: time("put_off_ms") ?? .distantPast,
                    untilVisit: row["is_put_off_to_visit"]
                )
            },
            verdict: (row["verdict"] as String?).flatMap(Verdict.init(rawValue:)),
            servicedAt: time("serviced_ms"),
            reopenCount: row["reopen_count"]
        )
    }
}
