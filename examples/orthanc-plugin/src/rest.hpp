// The endpoints.
#pragma once

#include "service.hpp"

/// Registers them; the service must outlive the server's last request.
void register_endpoints(Service &service);
