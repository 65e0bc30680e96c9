// On the page of an instance: a button that asks for the analysis, waits for it, and shows what was found under the button.
(function () {
  var TRIES = 120, PAUSE_MS = 500;

  function current() {
    return $.mobile.pageData ? $.mobile.pageData.uuid : null;
  }

  function say(text) {
    $('#covmap-result').empty().append($('<p>').text(text));
  }

  function percent(share) {
    return share === null ? 'no lungs found' : (100 * share).toFixed(1) + ' % of the lungs';
  }

  function show(base, found) {
    var severity = found.severity, picture = base + '/overlay';
    say('Opacity consistent with COVID-19 pneumonia: ' + percent(found.infection.share)
      + (severity && severity.brixia_estimate !== null ? ', Brixia estimate ' + severity.brixia_estimate.toFixed(1) + ' of 18' : '')
      + '. Research use, never a diagnosis.');
    $('#covmap-result').append($('<a>').attr({ href: picture, target: '_blank' }).append(
      $('<img>').attr({ src: picture, alt: 'Opacity map over the radiograph' }).css('width', '100%')
        .error(function () { $(this).parent().remove(); })));
  }

  function reason(request) {
    try {
      var answer = JSON.parse(request.responseText);
      return answer.reason || answer.error || answer.status;
    } catch (e) {
      return 'Orthanc answered ' + request.status;
    }
  }

  function wait(instance, tries) {
    var base = '../instances/' + instance + '/covmap';
    $.ajax({
      url: base,
      dataType: 'json',
      cache: false,
      complete: function (request) {
        if (current() !== instance) {
          return;
        }
        if (request.status === 200) {
          show(base, JSON.parse(request.responseText));
        } else if (request.status === 202 && tries > 0) {
          window.setTimeout(function () { wait(instance, tries - 1); }, PAUSE_MS);
        } else if (request.status === 202) {
          say('Still waiting: other radiographs come first. Try again later.');
        } else {
          say('No result: ' + reason(request));
        }
      }
    });
  }

  function ask(instance) {
    say('Analysing ...');
    $.ajax({
      type: 'POST',
      url: '../covmap/analyze',
      data: JSON.stringify({ Resources: [instance] }),
      contentType: 'application/json',
      success: function () { wait(instance, TRIES); },
      error: function (request) { say('Not analysed: ' + reason(request)); }
    });
  }

  $('#instance').live('pagebeforecreate', function () {
    $('<a>').attr({ id: 'covmap-button', href: '#', 'data-role': 'button', 'data-icon': 'search', 'data-theme': 'e' })
      .text('Opacity map (covmap)').insertBefore($('#instance-delete').parent().parent())
      .click(function () {
        var instance = current();
        if (instance) {
          ask(instance);
        }
        return false;
      })
      .after($('<div>').attr('id', 'covmap-result'));
  });

  // Orthanc Explorer shows every instance on the same page.
  $('#instance').live('pagebeforeshow', function () { $('#covmap-result').empty(); });
}());
