// Runs cases, each within a limit of time.

#include <future>
#include <iostream>
#include <thread>

#include "cases.h"

namespace {

constexpr std::chrono::seconds kLimit(20);

std::vector<Case> select(const std::vector<std::string>& names, bool extended) {
  if (names.empty()) return extended ? kExtendedCases : kOfficialCases;
  auto known = kOfficialCases;
  known.insert(known.end(), kExtendedCases.begin(), kExtendedCases.end());
  std::vector<Case> selected;
  for (const auto& name : names) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const Case& one) { return one.name == name; });
    if (found == known.end()) throw std::invalid_argument("unknown case \"" + name + "\"");
    selected.push_back(*found);
  }
  return selected;
}

// A case that hangs keeps its thread. The next one does not wait for it.
void run_within_limit(const Case& one, const Channel& channel) {
  std::packaged_task<void()> task([one, channel] { one.run(channel); });
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  if (result.wait_for(kLimit) == std::future_status::timeout) throw Failure("it did not end within 20 s");
  result.get();
}

}  // namespace

bool run_cases(const Channel& channel, const std::vector<std::string>& names, bool extended) {
  bool passed = true;
  for (const auto& one : select(names, extended)) {
    std::cout << one.name << ": ";
    try {
      run_within_limit(one, channel);
      std::cout << "passed" << std::endl;
    } catch (const NotApplicable& reason) {
      std::cout << "not applicable: " << reason.what() << std::endl;
    } catch (const Failure& failure) {
      passed = false;
      std::cout << "failed: " << failure.what() << std::endl;
    }
  }
  return passed;
}
