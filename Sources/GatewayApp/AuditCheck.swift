import ConfigFiles
import Foundation
import Store

/// The check of the audit's chain, and what came of it.
package struct AuditCheck: Sendable {
    package let text: String
    package let isInOrder: Bool

    /// Reads the whole audit of a store whose gateway is stopped.
    ///
    /// `head` is the last hash of an earlier check, which the history must still contain.
    /// - Throws: a `ConfigError`, or a `StoreError` when a gateway works on the file.
    package init(configPath: String, storePath: String?, head: String?) throws {
        let path = try storePath ?? GatewayFile.load(configPath).storePath
        guard FileManager.default.fileExists(atPath: path) else {
            throw StoreError.unopenable(path: path, cause: "there is no such file")
        }
        let store = try GatewayStore(path: path, durability: .full)
        let report = try store.verifyAudit(containing: head)
        try store.close()
        if let broken = report.broken {
            text = "broken at row \(broken.row): \(broken.what)"
            isInOrder = false
        } else if report.isHeadMissing {
            text =
                "the hash that was given is not in this history: it was cut short or written anew"
            isInOrder = false
        } else {
            text =
                "\(report.rows) rows are in order, the words of \(report.erased) are erased\n"
                + "head \(report.head)"
            isInOrder = true
        }
    }
}
