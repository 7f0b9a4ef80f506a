import ArgumentParser
import GatewayApp

/// `gateway audit`: whether the history is what was written.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Checks the append-only history of who changed what.",
        subcommands: [Verify.self]
    )

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Follows the hash chain from the first row to the last.",
            discussion: """
                Says the first row that is not what was written and ends with 1; else the number of
                rows and the last hash. Keep that hash elsewhere: with --head a history that was cut
                short or written anew shows. The gateway that works on the store must be stopped
                first.

                Examples:
                  gateway audit verify
                  gateway audit verify --head 5f0c…
                """
        )

        @OptionGroup var store: StoreOption

        @Option(help: "The last hash of an earlier check; the history must still contain it.")
        var head: String?

        func run() throws {
            let report: AuditCheck
            do {
                report = try AuditCheck(
                    configPath: store.config,
                    storePath: store.store,
                    head: head
                )
            } catch {
                throw failure(error)
            }
            print(report.text)
            if !report.isInOrder { throw ExitCode.failure }
        }
    }
}
