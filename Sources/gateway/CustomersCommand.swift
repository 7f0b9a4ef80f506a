import ArgumentParser
import GatewayApp

/// `gateway customers`: customers in and out by files.
struct CustomersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "customers",
        abstract: "Imports customers from a CSV, and exports what is kept of one.",
        discussion: """
            The gateway may be running. A line of the CSV is one vehicle of one customer; columns:
            customer,name,salutation,phone,language,station,channel,advisor,note,consents,vehicle,
            vin,plate,inspection_on,insurance_on,licence_on,service_on,service_kilometres,
            home_latitude,home_longitude
            (consents by semicolons; only customer is needed).

            Examples:
              gateway customers import customers.csv
              gateway customers export C1042 --out /tmp/C1042
            """,
        subcommands: [Import.self, Export.self]
    )

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes the store say what a CSV says of the customers in it."
        )

        @Argument(help: "The CSV.")
        var file: String

        @OptionGroup var store: StoreOption

        func run() async throws {
            let customers = try store.customers()
            do {
                let counts = try await customers.load(file)
                print(
                    "\(counts.created) new, \(counts.updated) changed, \(counts.unchanged) as "
                        + "before" + (counts.refused > 0 ? ", \(counts.refused) erased before" : "")
                )
            } catch {
                throw failure(error)
            }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes everything kept of one customer: customer.json and customer.html."
        )

        @Argument(help: "The customer's number.")
        var customer: String

        @Option(help: "The folder to write into.")
        var out: String

        @OptionGroup var store: StoreOption

        func run() async throws {
            let customers = try store.customers()
            let isThere: Bool
            do { isThere = try await customers.export(customer, to: out) } catch {
                throw failure(error)
            }
            guard isThere else { throw ValidationError("There is no customer '\(customer)'.") }
            print("\(out)/customer.json and \(out)/customer.html are written.")
        }
    }
}
